"""A model in memory of one user's resources and tags, by the rules of the API's contract."""

from dataclasses import dataclass, field

DEFAULTS = {"content": "", "status": "draft", "tags": []}


@dataclass(eq=False)
class ResourceModel:
    """A resource: the fields that a client writes, and whether it is in the trash."""

    values: dict
    is_deleted: bool = False


@dataclass
class Model:
    """Resources by id, and tags, which remain without a resource: the id of each by its name."""

    resources: dict[str, ResourceModel] = field(default_factory=dict)
    tags: dict[str, str | None] = field(default_factory=dict)

    def ids(self, *, deleted=False):
        return [key for key, resource in self.resources.items() if resource.is_deleted == deleted]

    def count(self, name):
        return sum(name in self.resources[key].values["tags"] for key in self.ids())

    def store(self, key, values):
        self.resources.setdefault(key, ResourceModel({})).values |= values
        for name in values.get("tags", ()):
            self.tags.setdefault(name, None)  # the id is read from the list

    def rename_tag(self, before, after):
        self.tags = {after if name == before else name: key for name, key in self.tags.items()}
        for resource in self.resources.values():
            resource.values["tags"] = [after if tag == before else tag for tag in resource.values["tags"]]

    def delete_tag(self, name):
        """Delete the tag, also from resources in the trash."""
        del self.tags[name]
        for resource in self.resources.values():
            resource.values["tags"] = [tag for tag in resource.values["tags"] if tag != name]

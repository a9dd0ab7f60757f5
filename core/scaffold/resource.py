"""A resource to be made: its names, its options and its fields, as the templates need them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from django.contrib.auth import get_user_model

from core.api.serializers import camel
from core.db.access import owner_path
from core.scaffold.fields import Field, is_user
from core.scaffold.names import class_of

BOOLEANS = {"True": '"true"', "False": '"false"'}  # in a query


@dataclass(frozen=True, kw_only=True)
class Resource:
    """A resource to be. The names of its attributes are those of the templates."""

    name: str
    plural: str
    fields: Sequence[Field]
    attachments: bool = False
    exports: bool = False
    imports: bool = False
    bulk: bool = False
    trash: bool = False
    public: bool = False
    members: bool = False
    read_all: str = ""

    @property
    def model(self) -> str:
        return class_of(self.name)

    @property
    def models(self) -> list[str]:
        """The names of its models."""
        more = (("Member", self.members), ("Attachment", self.attachments))
        return [self.model, *(f"{self.model}{name}" for name, is_chosen in more if is_chosen)]

    @property
    def api_name(self) -> str:
        return camel(self.name)

    @property
    def path(self) -> str:
        return self.plural.replace("_", "-")

    @property
    def routes(self) -> list[str]:
        """The paths that the project must not have yet."""
        members = [f"/api/v1/{self.route_name}-members"] if self.members else []
        return [f"/api/v1/{self.path}", *members]

    @property
    def accessors(self) -> Iterator[tuple[Any, str]]:
        """The other sides of the foreign keys: models, with the name that each gets."""
        yield get_user_model(), self.plural
        for each in self.relations:
            yield each.target, self.related_name(each)

    @property
    def label(self) -> str:
        return self.name.replace("_", " ")

    @property
    def plural_label(self) -> str:
        return self.plural.replace("_", " ")

    @property
    def article(self) -> str:
        return "an" if self.name[0] in "aeiou" else "a"

    @property
    def access(self) -> str:
        """The arguments of Access."""
        arguments = ['owner="user"']
        if self.members:
            arguments.append('members="members__user"')
        if self.public:
            arguments.append('public={"is_public": True}')
        if self.read_all:
            arguments.append(f"read_all={{Role.{self.read_all.upper()}, Role.ADMIN}}")
        shared = [f'"{self.constraint(each)}"' for each in self.fields if each.unique == "unique-global"]
        if shared:
            arguments.append(f"global_unique={{{', '.join(shared)}}}")
        return ", ".join(arguments)

    def constraint(self, given: Field) -> str:
        return f"{self.name}_{given.name}_is_unique"

    @property
    def constraints(self) -> Iterator[str]:
        """The constraints of the table."""
        for each in self.fields:
            if each.unique:
                columns = f'["user", "{each.name}"]' if each.unique == "unique" else f'["{each.name}"]'
                yield (
                    f"models.UniqueConstraint(fields={columns}, condition=Q(deleted_at=None), "
                    f'name="{self.constraint(each)}")'
                )
            if each.choices:
                yield (
                    f"models.CheckConstraint(condition=Q({each.name}__in={list(each.choices)!r}), "
                    f'name="{self.name}_{each.name}_is_known")'
                )
            if each.kind.name == "str":
                yield f'models.CheckConstraint(condition=~Q({each.name}=""), name="{self.name}_has_{each.name}")'

    @property
    def title(self) -> str:
        """The field that stands for a row, or ""."""
        return next((each.name for each in self.fields if each.kind.is_searched and not each.null), "")

    @property
    def bases(self) -> str:
        """The bases of the viewset."""
        chosen = (
            ("ShowsAttachments", self.attachments),
            ("ImportViewSet", self.imports),
            ("BulkViewSet", self.bulk and not self.imports),
            ("ExportViewSet", self.exports),
            ("TrashViewSet", self.trash),
        )
        names = [name for name, is_chosen in chosen if is_chosen]
        return ", ".join(names if {*names} - {"ShowsAttachments"} else [*names, "BaseViewSet"])

    @property
    def does_bulk(self) -> bool:
        return self.bulk or self.imports

    @property
    def discloses(self) -> list[str]:
        """The fields whose 409 discloses to a member of a row that its owner has another."""
        return [each.name for each in self.fields if each.unique == "unique" and self.members]

    # --- groups of fields -----------------------------------------------------------------------------

    @property
    def required(self) -> list[Field]:
        return [each for each in self.fields if each.is_required]

    @property
    def relations(self) -> list[Field]:
        return [each for each in self.fields if each.target]

    @property
    def plain(self) -> list[Field]:
        """The fields that are no foreign keys."""
        return [each for each in self.fields if not each.target]

    @property
    def uniques(self) -> list[Field]:
        return [each for each in self.plain if each.unique]

    @property
    def users(self) -> bool:
        """Return whether a foreign key leads to users."""
        return any(is_user(each.target) for each in self.relations)

    @property
    def has_constraints(self) -> bool:
        return any(self.constraints)

    @property
    def has_more(self) -> bool:
        return any((self.trash, self.does_bulk, self.exports, self.attachments, self.public, self.members))

    @property
    def route_name(self) -> str:
        return self.name.replace("_", "-")

    @property
    def listed(self) -> list[str]:
        """The columns of the list in the admin, besides those of every list."""
        return [each.name for each in self.plain if each.name != self.title and each.kind.lookups][:4]

    @property
    def list_filters(self) -> list[str]:
        return [each.name for each in self.fields if each.choices or each.kind.name == "bool"]

    @property
    def unique_cases(self) -> list[dict[str, Any]]:
        """The unique fields, each with the others, whose values must differ in its test."""
        return [
            {
                "field": each,
                "is_per_owner": each.unique == "unique",
                "others": [other for other in self.uniques if other is not each],
            }
            for each in self.uniques
        ]

    @property
    def filter_cases(self) -> Iterator[dict[str, Any]]:
        """Filters, each with a value that it shows and one that it leaves out."""
        for each in self.plain:
            smaller = each.sources["smaller" if each.kind.is_sortable else "value"]
            greater = each.sources["greater" if each.kind.is_sortable else "other"]
            for lookup in each.lookups:
                shown, left_out = (greater, smaller) if lookup == "gte" else (smaller, greater)
                name = each.parameter if lookup == "exact" else f"{each.parameter}[{camel_lookup(lookup)}]"
                value = BOOLEANS.get(shown, shown)
                if lookup == "isnull":
                    left_out, value = "None", BOOLEANS["False"]
                yield {"field": each, "shown": shown, "left_out": left_out, "query": f'"{name}": {value}'}

    @property
    def search_case(self) -> Field | None:
        return next((each for each in self.fields if each.kind.searched(each)), None)

    @property
    def filtered(self) -> list[Field]:
        return [each for each in self.fields if each.lookups]

    @property
    def searched(self) -> list[str]:
        return [each.name for each in self.fields if each.kind.is_searched]

    @property
    def sorted(self) -> list[Field]:
        return [each for each in self.fields if each.kind.is_sortable]

    @property
    def targets(self) -> list["Target"]:
        """The models of the foreign keys, each once, without that of users."""
        models = dict.fromkeys(each.target for each in self.relations if not is_user(each.target))
        return [Target(model) for model in models]

    def related_name(self, given: Field) -> str:
        """Return the name for the other side of a foreign key: the plural, if no other leads there."""
        same = [each for each in self.relations if each.target is given.target]
        return self.plural if len(same) == 1 and not is_user(given.target) else f"{given.name}_{self.plural}"

    @property
    def model_fields(self) -> Iterator[str]:
        """The lines of the model's fields."""
        for each in self.fields:
            if each.target:
                model = "settings.AUTH_USER_MODEL" if is_user(each.target) else each.target.__name__
                deleted = "SET_NULL, null=True, blank=True" if each.null else "CASCADE"
                arguments = f'{model}, on_delete=models.{deleted}, related_name="{self.related_name(each)}"'
            else:
                arguments = each.model_arguments
            yield f"{each.name} = {each.kind.model_class}({arguments}){each.noqa}"

    @property
    def declared(self) -> Iterator[str]:
        """The lines of the fields that the serializer declares itself."""
        for each in self.fields:
            if source := each.serializer_field:
                yield f"{each.api_name} = {source.replace('{model}', self.model)}"

    @property
    def factory_fields(self) -> Iterator[str]:
        for each in self.fields:
            if each.target and not each.null:
                yield f"{each.name} = {factory_of(each.target)}"
            elif not each.target and (each.is_required or each.unique):
                yield f"{each.name} = {each.factory_value}"


@dataclass(frozen=True)
class Target:
    """The model of a foreign key, as the templates name it."""

    target: Any

    @property
    def model(self) -> str:
        return str(self.target.__name__)

    @property
    def app(self) -> str:
        return str(self.target._meta.app_config.name)

    @property
    def owner(self) -> str:
        return owner_path(self.target)


def factory_of(model: Any) -> str:
    """Return the declaration of a row of the same owner."""
    if is_user(model):
        return 'factory.SelfAttribute("user")'
    path = owner_path(model)
    dots = "." * (path.count("__") + 2)
    return f'factory.SubFactory({model.__name__}Factory, {path}=factory.SelfAttribute("{dots}user"))'


def camel_lookup(lookup: str) -> str:
    return "isNull" if lookup == "isnull" else lookup

"""Resource and Tag: the example for the models of other apps."""

from collections.abc import Iterable
from typing import Any, ClassVar, Self

from django.conf import settings
from django.db import models
from django.db.models import Count, F, OuterRef, Q, Subquery
from django.db.models.functions import Coalesce

from core.db.access import Access
from core.db.array_subquery import OrderedValues
from core.db.base import BaseModel, BaseQuerySet, etag_of
from core.db.search import SearchQuerySet, index_text
from core.db.sort_keys import SortKeyField
from core.files.models import BaseAttachment, HasAttachments
from core.web.text import normalize

MAX_TAGS = 20
MAX_NAME_INPUT = 200  # of a tag in NFD, which has at most 50 in NFC


def canonical_name(text: str) -> str:
    """Return a tag name trimmed, in lower case and NFC. Raise ValidationError for text that is too long."""
    return normalize("NFC", text.strip().lower(), max_length=MAX_NAME_INPUT)


class ResourceQuerySet(SearchQuerySet):
    def with_tags(self) -> Self:
        """Annotate each row with the names of its tags, in the same statement."""
        links = ResourceTag.objects.filter(resource=OuterRef("pk")).order_by("position")
        return self.annotate(tag_names=OrderedValues(links.values(item=F("tag__name"))))

    def tagged(self, names: Iterable[str]) -> Self:
        """Filter by tags: each row has all of them."""
        requested = set(names)
        if len(requested) > MAX_TAGS:
            return self.none()  # PostgreSQL plans a hundred conditions for two seconds
        rows = self.implying(requested)
        links = ResourceTag.objects.filter(resource=OuterRef("pk"))
        if self.owner is None:
            for name in requested:
                rows = rows.filter(models.Exists(links.filter(tag__name=name)))
            return rows
        # By key: the statistics of PostgreSQL have frequent keys of this table, but not the names.
        keys = list(Tag.objects.filter(user=self.owner, name__in=requested).values_list("pk", flat=True))
        for key in keys:
            rows = rows.filter(models.Exists(links.filter(tag=key)))
        return rows if len(keys) == len(requested) else self.none()


class Resource(HasAttachments, BaseModel):
    class Status(models.TextChoices):
        DRAFT = "draft"
        PUBLISHED = "published"
        ARCHIVED = "archived"

    access = Access(owner="user")
    etag_covers = frozenset({"tag_names", "tag", "search"})  # the version changes with the tags
    keeps_changes = True

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="resources")
    title = models.CharField(max_length=255)
    title_sort = SortKeyField("title")
    content = models.TextField(blank=True, default="", max_length=100_000)
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.DRAFT)
    tags: "models.ManyToManyField[Tag, ResourceTag]" = models.ManyToManyField(
        "Tag", through="ResourceTag", related_name="resources"
    )
    # The words of title, content and tags, each after a space, so that ` word` matches its beginning on any database.
    search_text = models.TextField(blank=True, default="", editable=False)

    objects: ClassVar = ResourceQuerySet.as_manager()

    class Meta:
        indexes: ClassVar = [
            models.Index(
                fields=["user", "-created_at", "-id"], condition=Q(deleted_at=None), name="resource_newest"
            ),
            models.Index(
                fields=["user", "status", "-created_at", "-id"],
                condition=Q(deleted_at=None),
                name="resource_by_status",
            ),
            models.Index(fields=["-created_at", "-id"], condition=Q(deleted_at=None), name="resource_of_all"),
            models.Index(
                fields=["deleted_at"], condition=Q(deleted_at__isnull=False), name="resource_trash_by_age"
            ),
            models.Index(
                fields=["user", "-created_at", "-id"],
                condition=Q(deleted_at__isnull=False),
                name="resource_trash_newest",
            ),
            # One for each sort: PostgreSQL reads it in either direction, and the id has the direction of the sort.
            models.Index(
                fields=["user", "title_sort", "id"],
                condition=Q(deleted_at=None),
                name="resource_by_title_key",
            ),
            models.Index(
                fields=["user", "updated_at", "id"], condition=Q(deleted_at=None), name="resource_by_update"
            ),
            models.Index(
                fields=["user", "status", "id"],
                condition=Q(deleted_at=None),
                name="resource_sorted_by_status",
            ),
        ]
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(status__in=["draft", "published", "archived"]), name="resource_status_is_known"
            ),
            models.CheckConstraint(condition=~Q(title=""), name="resource_has_a_title"),
        ]

    def __str__(self) -> str:
        return self.title

    @property
    def tag_list(self) -> list[str]:
        """Names of the tags in their order, from the annotation of `with_tags` if there is one."""
        annotated = self.__dict__.get("tag_names")
        if annotated is not None:
            return list(annotated)
        return [link.tag.name for link in self.links.all()]

    def index_words(self, tag_names: Iterable[str]) -> None:
        """Set `search_text`. The caller saves it with the other columns."""
        self.search_text = index_text(self.title, (*tag_names, self.content))


def counted(links: "models.QuerySet[ResourceTag]") -> Coalesce:
    return Coalesce(Subquery(links.values("tag").annotate(number=Count("*")).values("number")), 0)


class TagQuerySet(BaseQuerySet):
    def with_resource_count(self) -> Self:
        # Subqueries instead of GROUP BY, because PostgreSQL cannot lock grouped rows. The count is that of all links,
        # by an index, minus the few to the trash. A count of resources that are not deleted would read each row.
        links = ResourceTag.objects.filter(tag=OuterRef("pk")).order_by()
        trashed = links.filter(resource__user=OuterRef("user"), resource__deleted_at__isnull=False)
        return self.annotate(resource_count=counted(links) - counted(trashed))


class Tag(BaseModel):
    """A label that a user gives to their own resources."""

    access = Access(owner="user", read_all=(), write_all=())
    etag_covers = frozenset({"resource_count", "etag"})

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="tags")
    name = models.CharField(max_length=50)

    objects: ClassVar = TagQuerySet.as_manager()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["user", "name"], name="tag_name_is_unique_per_user"),
            models.CheckConstraint(condition=~Q(name=""), name="tag_has_a_name"),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def etag(self) -> str:
        """ETag with the count of resources, which changes without a new version of the tag."""
        return etag_of(self.version, self.updated_at, str(getattr(self, "resource_count", 0)))


class ResourceTag(models.Model):
    """The link of a resource to a tag, with its position in the list."""

    resource = models.ForeignKey(Resource, on_delete=models.CASCADE, related_name="links")
    tag = models.ForeignKey(Tag, on_delete=models.CASCADE, related_name="links")
    position = models.PositiveSmallIntegerField(default=0)

    class Meta:
        ordering: ClassVar[list[Any]] = ["position"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["resource", "tag"], name="resource_bears_a_tag_once")
        ]

    def __str__(self) -> str:
        return f"{self.resource_id} {self.tag_id}"


class Attachment(BaseAttachment):
    parent = "resource"

    resource = models.ForeignKey(Resource, on_delete=models.CASCADE, related_name="attachments")

"""A system check of the names in the OpenAPI document, after which generated clients name their types and methods."""

from inspect import isclass
from typing import Any

from django.core.checks import CheckMessage, Error, register
from drf_spectacular.drainage import get_override
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.plumbing import ComponentIdentity, ComponentRegistry, ResolvedComponent

from core.openapi.document import generating

SERIALIZERS = (
    'Give one of them another name, or decorate it with `@extend_schema_serializer(component_name="…")` of '
    "drf_spectacular.utils."
)
VIEWS = (
    "Give one of the viewsets a `schema_name`, or another class name; an action or a plain view has "
    '`@extend_schema(operation_id="…")` of drf_spectacular.utils.'
)


class RecordingRegistry(ComponentRegistry):
    """A registry that records the classes that have one name."""

    def __init__(self) -> None:
        super().__init__()
        self.shared: dict[tuple[str, ...], str] = {}

    def __contains__(self, component: ResolvedComponent) -> bool:
        known = super().__contains__(component)
        if known:
            both = [identity(self[component].object), identity(component.object)]
            if both[0] != both[1] and not any(
                get_override(one, "suppress_collision_warning") for one in both
            ):
                self.shared.setdefault(tuple(sorted(map(path_of, both))), component.name)
        return known


def identity(described: Any) -> Any:
    """Return what a component describes, as drf-spectacular compares it: a class, if it is an instance of one."""
    return described if isinstance(described, ComponentIdentity) or isclass(described) else type(described)


def path_of(kind: Any) -> str:
    own = isclass(kind) and not issubclass(kind, str)
    return f"{kind.__module__}.{kind.__qualname__}" if own else "a component of this API"


@register("core", deploy=True)  # it generates the document, which takes a third of a second
def check_schema_names(**_options: Any) -> list[CheckMessage]:
    """Refuse equal names: drf-spectacular only warns, describes one of two serializers, and numbers the operations."""
    generator: Any = SchemaGenerator()
    generator.registry = RecordingRegistry()
    with generating:
        generator.get_schema(request=None, public=True)
    return [
        *(
            Error(
                f"{name} is the schema of two serializers: {' and '.join(both)}.",
                hint=SERIALIZERS,
                id="core.E007",
            )
            for both, name in sorted(generator.registry.shared.items())
        ),
        *(
            Error(f"{name} is the id of two operations: {' and '.join(both)}.", hint=VIEWS, id="core.E008")
            for both, name in sorted(shared_operation_ids(generator).items())
        ),
    ]


def shared_operation_ids(generator: Any) -> dict[tuple[str, ...], str]:
    """Return {the views: the first id that they share}, with the paths where one view is registered at two."""
    views: dict[str, dict[str, str]] = {}
    for path, _regex, method, callback in generator.endpoints:
        view = generator.create_view(callback, method)
        schema = view.schema
        schema.path, schema.method = path, method
        views.setdefault(schema.get_operation_id(), {})[f"{method} {path}"] = path_of(type(view))
    shared: dict[tuple[str, ...], str] = {}
    for name, places in views.items():
        if len(places) > 1:
            classes = tuple(sorted({*places.values()}))
            several = len(classes) == len(places)
            key = classes if several else tuple(f"{view} at {at}" for at, view in sorted(places.items()))
            shared.setdefault(key, name)
    return shared

"""Documented uses of django-filter and REST framework in the filters of a viewset."""

import json
from typing import ClassVar

import django_filters
import pytest
from django import forms
from django.db import models
from django_filters.exceptions import FieldLookupError

from accounts.tests.factories import UserFactory
from config.tests.reading import serializer, viewset
from config.tests.sample_models import Customer, Project, Team
from core.api.filters import FilterBackend
from core.api.filtersets import FilterSet
from core.api.viewsets import BaseViewSet

pytestmark = pytest.mark.usefixtures("sample_tables")

SERIALIZER = serializer(Project, "name")


class ByName(FilterSet):
    class Meta:
        model = Project
        fields = ("name",)


class ByCode(FilterSet):
    class Meta:
        model = Project
        fields = ("code",)


class Projects(BaseViewSet):
    queryset = Project.objects.all()
    serializer_class = SERIALIZER
    filterset_class = ByName


@pytest.fixture
def names(call, ann):
    """Return the names in the list, or the names of the parameters that it refuses."""
    Project.objects.create(name="One", code="1", user=ann)
    Project.objects.create(name="Two", code="2", user=ann)

    def shown(view, query, user=ann, **given):
        response = json.loads(call(view, "list", user, query=query, **given).content)
        rows = response["data"] if "data" in response else response["error"]["details"]
        return sorted(row.get("name") or row["field"] for row in rows)

    return shown


# --- the parameters of a list ---------------------------------------------------------------------


def test_a_route_may_have_a_filterset_of_its_own(names):
    own = {"initkwargs": {"filterset_class": ByCode}}

    assert names(Projects, {"name": "One"}) == ["One"]
    assert names(Projects, {"code": "2"}, **own) == ["Two"]
    assert names(Projects, {"name": "One"}, **own) == ["name"]
    assert names(Projects, {"code": "2"}) == ["code"]


def test_a_backend_may_choose_the_filterset_by_role(names):
    class ByRole(FilterBackend):
        def get_filterset_class(self, view, queryset=None):
            return ByCode if view.request.user.role == "admin" else ByName

    view = type("View", (Projects,), {"filter_backends": [ByRole]})

    assert names(view, {"code": "1"}, UserFactory(role="admin")) == []
    assert names(view, {"code": "1"}) == ["code"]
    assert names(view, {"name": "Two"}) == ["Two"]


# --- the options of a filterset -------------------------------------------------------------------


class Refusing(forms.Form):
    def clean(self):
        raise forms.ValidationError("Never.")


def test_the_form_of_a_filterset_is_used(call, ann):
    meta = type("Meta", (), {"model": Project, "fields": ("name",), "form": Refusing})
    view = type("View", (Projects,), {"filterset_class": type("Own", (FilterSet,), {"Meta": meta})})

    assert call(view, "list", ann, query={"name": "One"}).status_code == 400


def test_the_overrides_of_a_filterset_are_used(names):
    begins = {
        "filter_class": django_filters.CharFilter,
        "extra": lambda _field: {"lookup_expr": "startswith"},
    }
    overrides = {models.CharField: begins}
    meta = type("Meta", (), {"model": Project, "fields": ("name",), "filter_overrides": overrides})
    view = type("View", (Projects,), {"filterset_class": type("Own", (FilterSet,), {"Meta": meta})})

    assert names(view, {"name": "T"}) == ["Two"]


def test_a_filterset_class_wins_over_inherited_names(names):
    class Base(BaseViewSet):
        queryset = Project.objects.all()
        serializer_class = SERIALIZER
        filterset_fields = ("name",)
        search_fields = ("name",)

    searched = type("Searched", (ByCode,), {"search_fields": ("code",)})
    view = type("View", (Base,), {"filterset_class": searched})
    inherited = type("Inherited", (view,), {})

    assert names(Base, {"name": "One", "search": "o"}) == ["One"]
    for each in (view, inherited):
        assert names(each, {"code": "2"}) == names(each, {"search": "2"}) == ["Two"]
        assert names(each, {"name": "One"}) == ["name"]


def test_names_of_a_subclass_replace_inherited_names(names):
    base = type("Base", (Projects,), {"filterset_class": None, "filterset_fields": ("name",)})
    view = type("View", (base,), {"filterset_fields": ("code",)})

    assert names(view, {"code": "2"}) == ["Two"]
    assert names(view, {"name": "One"}) == ["name"]


def test_a_relation_to_many_rows_has_the_operator_in(names, ann):
    own = [Customer.objects.create(name=name, user=ann) for name in ("Zoe", "Bob")]
    hidden = Customer.objects.create(name="Max", user=UserFactory())
    view = viewset(Project, SERIALIZER, filterset_fields={"customers": ["in"]})
    assert names(view, {"customers[in]": f"{own[0].pk},{own[1].pk}"}) == []
    Project.objects.get(name="One").customers.add(*own, hidden)

    assert names(view, {"customers[in]": f"{own[0].pk},{own[1].pk}"}) == ["One"]
    assert names(view, {"customers[in]": [str(own[1].pk), str(own[0].pk)]}) == ["One"]
    assert names(view, {"customers[in]": f"{own[0].pk},{hidden.pk}"}) == ["customers[in]"]


class Ranges(FilterSet):
    budget = django_filters.RangeFilter()
    created = django_filters.DateTimeFromToRangeFilter(field_name="created_at")
    compared = django_filters.LookupChoiceFilter(
        field_name="budget", field_class=forms.DecimalField, lookup_choices=[("gt", "greater")]
    )

    class Meta:
        model = Project
        fields = ()


RANGES = {
    "from": ({"budget_min": "2"}, ["Two"]),
    "to": ({"budget_max": "1"}, ["One"]),
    "both": ({"budget_min": "1", "budget_max": "1"}, ["One"]),
    "of times": ({"created_after": "2999-01-01"}, []),
    "a lookup": ({"compared": "1", "compared_lookup": "gt"}, ["Two"]),
    "a wrong value": ({"budget_min": "x"}, ["budget_min"]),
    "one wrong value of two": ({"budget_min": "1", "budget_max": "x"}, ["budget_max"]),
    "two wrong values": ({"budget_min": "x", "budget_max": "x"}, ["budget_max", "budget_min"]),
    "a number to Python only": ({"budget_min": "1_0"}, ["budget_min"]),
    "a wrong time": ({"created_before": "x"}, ["created_before"]),
    "a wrong lookup": ({"compared": "1", "compared_lookup": "x"}, ["compared_lookup"]),
    "a value without its lookup": ({"compared": "1"}, ["compared"]),
    "no value": ({"budget_min": ""}, ["budget_min"]),
    "a name that the filter does not read": ({"budget": "1"}, ["budget"]),
}


@pytest.mark.parametrize("kind", RANGES)
def test_a_filter_of_several_parameters_is_used(names, ann, kind):
    query, expected = RANGES[kind]
    view = viewset(
        Project, SERIALIZER, filterset_class=Ranges, sort_fields={"name": "name"}, default_sort="name"
    )
    assert names(view, {}) == ["One", "Two"]
    Project.objects.filter(name="One").update(budget=1)
    Project.objects.filter(name="Two").update(budget=2)

    assert names(view, query) == expected


@pytest.mark.parametrize("name", ["budget", "budget[gte]", "budget[in]", "dueDate__year"])
@pytest.mark.parametrize("text", ["1_0", "\u0665", "1,2_0"])
def test_what_only_python_takes_for_a_number_is_refused(names, name, text):
    fields = {"budget": ["exact", "gte", "in"], "due_date": ["year"]}
    view = viewset(Project, SERIALIZER, filterset_fields=fields)

    assert names(view, {name: text}) == [name]
    assert names(view, {"budget[in]": "0,1", "budget[gte]": "-1"}) == ["One", "Two"]


class Booleans(FilterSet):
    open = django_filters.BooleanFilter(field_name="due_date", lookup_expr="isnull")
    late = django_filters.rest_framework.BooleanFilter(field_name="due_date", lookup_expr="isnull")

    class Meta:
        model = Project
        fields = ()


class PlainBooleans(django_filters.FilterSet):
    open, late = Booleans.base_filters["open"], Booleans.base_filters["late"]


@pytest.mark.parametrize("written", [Booleans, PlainBooleans])
@pytest.mark.parametrize("name", ["open", "late"])
def test_a_boolean_filter_of_an_author_is_true_or_false(names, written, name):
    view = viewset(Project, SERIALIZER, filterset_class=written)

    for text in ("x", "2", "yes", "unknown", " "):
        assert names(view, {name: text}) == [name], text
    assert names(view, {name: "true"}) + names(view, {name: "False"}) == ["One", "Two"]


@pytest.mark.parametrize(
    ("model", "relation"), [(Project, "customers"), (Project, "user"), (Team, "memberships")]
)
@pytest.mark.parametrize("lookup", ["contains", "icontains", "startswith", "range"])
def test_a_relation_is_filtered_by_its_own_lookups_only(model, relation, lookup):
    with pytest.raises(
        FieldLookupError, match=f"Unsupported lookup '{lookup}' for field .*{relation.rstrip('s')}"
    ):
        viewset(model, serializer(model), filterset_fields={relation: [lookup]})


class Limited(FilterSet):
    most = django_filters.NumberFilter(field_name="budget", max_value=9)

    def __init__(self, *args, request=None, **kwargs):
        super().__init__(*args, request=request, **kwargs)
        self.user = request.user

    class Meta:
        model = Project
        fields: ClassVar = {"name": ["in"]}


LIMITS = {
    "too many values": ({"name[in]": ",".join("x" * 101)}, {"max": 100}),
    "a long value": ({"name[in]": "x" * 201}, {"max": 200}),
    "a large number": ({"most": "10"}, {"max": 9}),
    "no number": ({"most": "x"}, None),
}


@pytest.mark.parametrize("kind", LIMITS)
def test_a_refused_value_has_the_limit_that_its_message_names(call, ann, kind):
    query, params = LIMITS[kind]
    view = viewset(Project, SERIALIZER, filterset_class=Limited)
    response = json.loads(call(view, "list", ann, query=query).content)

    assert [detail.get("params") for detail in response["error"]["details"]] == [params]


def test_a_refusal_may_have_a_percent_sign_and_no_field(call, ann):
    class Form(forms.Form):
        def clean(self):
            raise forms.ValidationError("100 % of these are wrong.")

    meta = type("Meta", (), {"model": Project, "fields": ("name",), "form": Form})
    view = viewset(Project, SERIALIZER, filterset_class=type("Own", (FilterSet,), {"Meta": meta}))
    response = json.loads(call(view, "list", ann, query={"name": "One"}).content)

    detail = {"field": None, "code": "invalid", "message": "100 % of these are wrong."}
    assert response["error"]["details"] == [detail]

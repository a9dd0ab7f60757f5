import random
from decimal import Decimal
from types import ModuleType

import pytest
from django.db import connection
from django.urls import include, path
from rest_framework.test import APIClient, APIRequestFactory, force_authenticate

from accounts.tests.factories import UserFactory
from config import urls
from config.tests import sample_models
from config.tests.sample_models import MODELS, Board, Card, Customer, Invoice, Membership, Note, Product, Team
from core.api.routers import Router
from core.tests.factories import WebhookFactory
from core.webhooks.tests.receiver import receiver

factory = APIRequestFactory()


@pytest.fixture(scope="session")
def _sample_tables(django_db_setup, django_db_blocker):
    with django_db_blocker.unblock():
        with connection.schema_editor() as editor:
            for model in sample_models.MODELS:
                editor.create_model(model)
        yield
        with connection.schema_editor() as editor:
            for model in reversed(sample_models.MODELS):
                editor.delete_model(model)


@pytest.fixture
def sample_tables(_sample_tables, db):
    """Create the tables of config/tests/sample_models.py."""


@pytest.fixture
def call():
    """Call an action of a viewset class as a user: `call(ViewSet, "retrieve", user, pk=…)`."""

    def act(
        view_class,
        action,
        user=None,
        *,
        data=None,
        query=None,
        headers=None,
        initkwargs=None,
        method=None,
        **kwargs,
    ):
        method = method or {
            "list": "get",
            "trash": "get",
            "retrieve": "get",
            "create": "post",
            "update": "put",
        }.get(action)
        method = method or {"partial_update": "patch", "destroy": "delete"}.get(action, "post")
        given = query if method == "get" else data
        request = getattr(factory, method)("/sample", given, **(headers or {}))
        if user is not None:
            force_authenticate(request, user)
        view = view_class.as_view({method: action}, **(initkwargs or {}))
        response = view(request, **kwargs).render()
        request.close()  # as the handler does: it closes an uploaded file
        return response

    return act


@pytest.fixture
def serve(settings):
    """Serve these viewsets too, in this order, below /api/v1/sample0, /api/v1/sample1 and so on."""

    def route(*view_classes, extra=()):
        router = Router()
        for number, view_class in enumerate(view_classes):
            router.register(f"sample{number}", view_class, basename=f"sample{number}")
        urlconf = ModuleType("sample_urls")
        urlconf.urlpatterns = [path("api/v1/", include([*router.urls, *extra])), *urls.urlpatterns]
        settings.ROOT_URLCONF = urlconf

    return route


@pytest.fixture
def callers():
    roles = ("user", "user", "user", "staff", "admin")
    return [
        UserFactory(role=role, email=f"caller{n}@{'a' if n % 2 else 'b'}.example")
        for n, role in enumerate(roles)
    ]


@pytest.fixture
def rows(callers):
    """Create rows of every model, of changing callers, in every state."""
    chance = random.Random(11)
    made = {model: [] for model in MODELS}

    def make(model, **values):
        row = model.objects.create(**values)
        made[model].append(row)
        if chance.random() < 0.15:
            row.soft_delete()
        return row

    for number in range(12):
        anybody = chance.choice(callers)
        team = make(Team, name=f"Team {number % 3}", lead=anybody)
        for member in chance.sample(callers, chance.randrange(3)):
            make(Membership, team=team, user=member)
        board = make(Board, title=f"Board {number}", team=team)
        make(Card, title=f"Card {number}", board=board)
        customer = make(Customer, name=f"Customer {number}", user=chance.choice(callers))
        amount = Decimal(number) + Decimal("0.10")
        make(
            Invoice,
            number=str(number),
            customer=customer,
            amount=amount,
            lines=[{"n": number}],
            is_paid=number % 2,
        )
        make(Product, name=f"P {number}", is_listed=chance.random() < 0.5, seller=chance.choice(callers))
        make(Note, text=chance.choice(["red", "blue"]), user=chance.choice(callers))
    return made


@pytest.fixture
def people():
    names = ("ann", "ben", "cat")
    users = {name: UserFactory(name=name.title()) for name in names}
    return users | {"staff": UserFactory(role="staff"), "admin": UserFactory(role="admin")}


@pytest.fixture
def board(people):
    """Create a board of a team: its members are Ben and Cat, its lead is Ann, who is no member."""
    team = Team.objects.create(name="Team", lead=people["ann"])
    for name in ("ben", "cat"):
        Membership.objects.create(team=team, user=people[name])
    return Board.objects.create(title="Plans", team=team)


@pytest.fixture
def invoice(people):
    return Invoice.objects.create(number="1", customer=Customer.objects.create(name="C", user=people["ann"]))


@pytest.fixture
def ann():
    return UserFactory(name="Ann")


@pytest.fixture
def ann_client(ann):
    client = APIClient()
    client.force_authenticate(ann)
    return client


@pytest.fixture
def reader():
    """Create a staff member, who reads all invoices, and no customer but their own."""
    return UserFactory(role="staff")


@pytest.fixture
def invoices(ann, reader):
    """Create an invoice for Ann's customers Zoe and Bob each, and one for Max, who is the reader's customer."""
    return [
        Invoice.objects.create(number=str(number), customer=Customer.objects.create(name=name, user=user))
        for number, (name, user) in enumerate([("Zoe", ann), ("Bob", ann), ("Max", reader)])
    ]


@pytest.fixture
def endpoint(settings):
    settings.WEBHOOK_ALLOW_PRIVATE = True
    with receiver() as service:
        yield service


@pytest.fixture
def webhook(ann, endpoint):
    return WebhookFactory(user=ann, url=endpoint.url)

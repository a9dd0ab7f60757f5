"""Models of an adopter, with every kind of declared access, and viewsets of them.

The fixture `sample_tables` makes the tables. The models are in a registry of their own, so that the tests which walk
through all models do not meet them. Their foreign keys to users have no constraint, because the tests with real
transactions truncate that table.
"""

from django.conf import settings
from django.contrib.auth import get_user_model
from django.db import models
from django.test.utils import isolate_apps

from core.api.serializers import ModelSerializer
from core.api.viewsets import BaseViewSet
from core.db.access import Access
from core.db.base import BaseModel, BaseQuerySet

User = get_user_model()


class BoardQuerySet(BaseQuerySet):
    pass


class NoteQuerySet(BaseQuerySet):
    """Visible by whatever the test sets in `rule`, which a declaration cannot express."""

    rule = staticmethod(lambda rows, user: rows.none())

    def visible_to(self, user):
        return type(self).rule(self, user)


with isolate_apps("core.db"):

    class Team(BaseModel):
        access = Access(owner="lead", members="memberships__user")
        name = models.CharField(max_length=50)
        lead = models.ForeignKey(User, models.CASCADE, related_name="+", db_constraint=False)
        objects = BaseQuerySet.as_manager()

        class Meta:
            app_label = "core_db"

    class Membership(BaseModel):
        access = Access(parent="team")
        team = models.ForeignKey(Team, on_delete=models.CASCADE, related_name="memberships")
        user = models.ForeignKey(User, models.CASCADE, related_name="+", db_constraint=False)
        objects = BaseQuerySet.as_manager()

        class Meta:
            app_label = "core_db"

    class Board(BaseModel):
        """A team's board: its members read and write it."""

        access = Access(members="team__memberships__user")
        title = models.CharField(max_length=100)
        team = models.ForeignKey(Team, on_delete=models.CASCADE, related_name="+")
        objects = BoardQuerySet.as_manager()

        class Meta:
            app_label = "core_db"

    class Card(BaseModel):
        """Card of a board: the readers and writers of the board may read and write it."""

        access = Access(parent="board")
        title = models.CharField(max_length=100)
        board = models.ForeignKey(Board, on_delete=models.CASCADE, related_name="+")
        objects = BaseQuerySet.as_manager()

        class Meta:
            app_label = "core_db"

    class Customer(BaseModel):
        access = Access(owner="user")
        name = models.CharField(max_length=100)
        user = models.ForeignKey(User, models.CASCADE, related_name="+", db_constraint=False)
        objects = BaseQuerySet.as_manager()

        class Meta:
            app_label = "core_db"

    class Invoice(BaseModel):
        """Invoice of a customer of the user; staff read every invoice and write none."""

        access = Access(owner="customer__user", read_all={"admin", "staff"}, write_all={"admin"})
        number = models.CharField(max_length=20)
        amount = models.DecimalField(max_digits=10, decimal_places=2, default=0)
        lines = models.JSONField(default=list)
        is_paid = models.BooleanField(default=False)
        due_date = models.DateField(null=True)
        customer = models.ForeignKey(Customer, on_delete=models.CASCADE, related_name="+")
        replaces = models.ForeignKey("self", null=True, on_delete=models.SET_NULL, related_name="+")
        objects = BaseQuerySet.as_manager()

        class Meta:
            app_label = "core_db"

    class Product(BaseModel):
        """Product of a catalogue: every user reads the listed ones."""

        access = Access(owner="seller", public={"is_listed": True})
        name = models.CharField(max_length=100)
        is_listed = models.BooleanField(default=False)
        seller = models.ForeignKey(User, models.CASCADE, related_name="+", db_constraint=False)
        objects = BaseQuerySet.as_manager()

        class Meta:
            app_label = "core_db"

    class Project(BaseModel):
        """Reading with columns whose values are no JSON."""

        access = Access(owner="user")
        name = models.CharField(max_length=50)
        code = models.CharField(max_length=20, default="")
        budget = models.DecimalField(max_digits=10, decimal_places=2, default=0)
        due_date = models.DateField(null=True)
        effort = models.DurationField(null=True)
        starts_at = models.DateTimeField(null=True)
        customers = models.ManyToManyField(Customer, related_name="+")
        user = models.ForeignKey(User, models.CASCADE, related_name="+", db_constraint=False)
        objects = BaseQuerySet.as_manager()

        class Meta:
            app_label = "core_db"

        @property
        def label(self):
            return f"{self.name} {self.code}"

        @label.setter
        def label(self, text):
            self.name, self.code = text.split(" ", 1)

    class Club(BaseModel):
        """Club of its members alone: its founder must become a member."""

        access = Access(members="seats__user")
        name = models.CharField(max_length=50)
        objects = BaseQuerySet.as_manager()

        class Meta:
            app_label = "core_db"

    class Seat(BaseModel):
        access = Access(parent="club")
        club = models.ForeignKey(Club, on_delete=models.CASCADE, related_name="seats")
        user = models.ForeignKey(User, models.CASCADE, related_name="+", db_constraint=False)
        objects = BaseQuerySet.as_manager()

        class Meta:
            app_label = "core_db"

    class Comment(BaseModel):
        """Comment on a card: its access is that of the board, two relations away."""

        access = Access(parent="card__board")
        text = models.CharField(max_length=100)
        card = models.ForeignKey(Card, on_delete=models.CASCADE, related_name="+")
        objects = BaseQuerySet.as_manager()

        class Meta:
            app_label = "core_db"

    class Note(BaseModel):
        """Model without a declaration."""

        text = models.CharField(max_length=100)
        user = models.ForeignKey(User, models.CASCADE, related_name="+", db_constraint=False)
        objects = NoteQuerySet.as_manager()

        class Meta:
            app_label = "core_db"

    class Reply(BaseModel):
        """Link to a note, whose rows are selected by a handwritten method."""

        access = Access(parent="note")
        text = models.CharField(max_length=100)
        note = models.ForeignKey(Note, on_delete=models.CASCADE, related_name="+")
        objects = BaseQuerySet.as_manager()

        class Meta:
            app_label = "core_db"

    class Branch(BaseModel):
        """A tree, which a declaration cannot follow."""

        access = Access(parent="above")
        above = models.ForeignKey("self", null=True, on_delete=models.CASCADE, related_name="+")
        objects = BaseQuerySet.as_manager()

        class Meta:
            app_label = "core_db"


MODELS = (
    *(Team, Membership, Board, Card, Customer, Invoice, Product, Project, Club, Seat, Comment, Note, Reply),
    Branch,
)
assert settings.AUTH_USER_MODEL == "accounts.User"


def viewset(of, *names, base=BaseViewSet, **members):
    """Return a viewset class of this model, whose serializer has these fields and the id."""

    class Serializer(ModelSerializer):
        class Meta:
            model = of
            fields = ("id", *names)
            read_only_fields = ("id",)

    return type("ViewSet", (base,), {"queryset": of.objects.all(), "serializer_class": Serializer, **members})

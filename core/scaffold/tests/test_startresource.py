"""Refusals of `manage.py startresource`, which leave no file. `make test-scaffold` runs what the command makes."""

import re

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command

from core.scaffold.names import plural_of
from core.scaffold.reading import read_field, read_resource


def made(*arguments, **options):
    call_command("startresource", *arguments, **options)


@pytest.fixture
def tree():
    """Return the files that the command could touch, before and after."""

    def listed():
        apps = (settings.BASE_DIR / "config" / "local_apps.py").read_text()
        return apps, sorted(path.name for path in settings.BASE_DIR.iterdir() if path.is_dir())

    before = listed()
    yield
    assert listed() == before


@pytest.mark.usefixtures("tree")
@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["Order", "a:str"], "Order: a name has letters"),
        (["x" * 24, "a:str"], "23 at most"),
        (["class", "a:str"], "class: a name has"),
        (["owner", "a:str"], "owner: this name is taken"),
        (["order"], "A resource needs a field"),
        (["user", "a:str"], "user: this name is taken"),
        (["session", "a:str", "--plural", "users"], "users: there is a route /api/v1/users already"),
        (["order", "a:str", "--plural", "json"], "json: there is a folder or Python module"),
        *(
            (["order", "a:str", "--plural", name], f"{name}: there is a folder")
            for name in ("docs", "accounts")
        ),
        (["order", "a:str", "--plural", "order"], "the plural must differ"),
        (["thing", "a:str", "--plural", "schema"], "schema: there is a route /api/v1/schema already"),
        (["thing", "a:str", "--plural", "files"], "files: there is a route /api/v1/files already"),
        (["group", "a:str"], "groups: accounts.User has a field or attribute groups; choose another"),
        (["thing", "a:str", "--plural", "created_at"], "created_at: accounts.User has a field or attribute"),
        *(
            (["none", "a:str"], "none: the class would have"),
            (["true", "a:str"], "true: the class would have"),
        ),
        (["key_error", "a:str"], "key_error: the class would have the name KeyError"),
        (["order", "none:choice:a,b"], "none: the class of its choices would be the None of Python"),
        (["message", "a:str"], "messages: this is the label of django.contrib.messages"),
        (["mailbox", "a:str"], "Mailbox: there is a model accounts.Mailbox already"),
        *((["db", "a:str"], "db: this name is taken"), (["test", "a:str"], "test: this name is taken")),
        (["field", "a:str"], "field: this name is taken"),
        (["version", "a:str", "--members"], "version: this name is taken"),
        (["page", "a:str", "--members"], "page: with members or attachments this name is taken"),
        (["file", "a:str", "--attachments"], "file: with members or attachments this name is taken"),
        (["order", "a:str", "--read-all", "admin"], "--read-all: 'admin' is none of the roles staff"),
        (["order", "a:str", "a:int"], "a: named twice"),
        (["order", "a_1:str", "a1:int"], "a1: named twice, as a1 of the API"),
        (["order", "is_public:bool", "--public"], "is_public: an option of the resource adds this name"),
        (["order", "members:int", "--members"], "members: an option of the resource adds this name"),
        (["order", "objects:str"], "objects: this name is taken"),
        (["order", "caller:str"], "caller: this name is taken"),
        (["order", "a:str:700:unique"], "a: a unique text has 600 characters at most"),
        (["order", "a:decimal:5,2:unique"], "a: a unique decimal has 4 digits before the point or more"),
        (["order", "a:fk:accounts.User:unique"], "a: a unique user must be null"),
        (["order", "order:str"], "order: a field has the name of the resource"),
        (["order", "a:str", "--read-all", "king"], "--read-all: 'king' is none of the roles staff"),
        (["order", "a"], "a: there is no type '(empty)', only str, text"),
        (["order", "a:strin"], "a: there is no type 'strin'"),
        (["order", "A:str"], "A: a name has letters"),
        (["order", "a__b:str"], "a__b: a name has letters"),
        (["order", ":str"], "(empty): a name has letters"),
        (["order", "save:str"], "save: this name is taken"),
        (["order", "version:int"], "version: this name is taken"),
        (["order", "sort:str"], "sort: this name is taken"),
        (
            ["order", "a:str:unik"],
            "a: 'unik' is neither an option (null, unique, unique-global) nor a length",
        ),
        (["order", "a:str:0"], "nor a length of 1 to 2000"),
        (["order", "a:str:5000"], "nor a length of 1 to 2000"),
        (["order", "a:str:unique:unique-global"], "has an option twice"),
        (["order", "a:text:unique"], "a: a text cannot be unique"),
        (["order", "a:json:unique"], "a: a json cannot be unique"),
        (["order", "a:int:10"], "a: '10' is no option"),
        (["order", "a:decimal:2,2"], "nor digits and decimal places, such as 12,2"),
        (["order", "a:choice"], "a: name two or more different choices"),
        (["order", "a:choice:one,one"], "a: name two or more different choices"),
        (["order", "a:choice:one,Two"], "a: name two or more different choices"),
        (["order", "meta:choice:a,b"], "meta: the class of its choices"),
        (
            ["order", "a:fk:nothing.Here"],
            "a: 'nothing.Here' is no model; a foreign key may lead to accounts.",
        ),
        (["order", "a:fk"], "a: '(empty)' is no model"),
        (["order", "a:fk:auth.Group"], "a: whose a auth.Group is"),
    ],
)
def test_a_wrong_argument_is_named(arguments, problem):
    with pytest.raises(CommandError, match=re.escape(problem)):
        made(*arguments)


@pytest.mark.usefixtures("tree")
def test_a_dry_run_prints_the_files_and_writes_none(capsys):
    pytest.importorskip("ruff", reason="make dev-env installs it")
    made("delivery", "code:str:12:unique", "at:datetime:null", "--trash", dry_run=True)
    printed = capsys.readouterr().out

    for name in (
        "models",
        "serializers",
        "views",
        "urls",
        "admin",
        "tests/factories",
        "tests/test_deliveries",
    ):
        assert f"--- deliveries/{name}.py" in printed
    assert "class DeliveryViewSet(TrashViewSet):" in printed
    assert "Nothing was written." in printed


@pytest.mark.parametrize(
    ("fields", "members", "disclosing"),
    [
        (["a:str:unique", "b:str", "c:int:unique"], True, ["a", "c"]),
        (["a:str:unique"], False, []),
        (["a:str:unique-global"], True, []),  # `global_unique` of the access says so
    ],
)
def test_what_a_409_tells_members_is_known(fields, members, disclosing):
    assert read_resource("parcel", "", fields, members=members).discloses == disclosing


@pytest.mark.parametrize(
    ("name", "plural"),
    [
        *(("invoice", "invoices"), ("category", "categories"), ("day", "days"), ("box", "boxes")),
        *(("branch", "branches"), ("price_list", "price_lists"), ("bus", "buses")),
    ],
)
def test_the_plural_is_english(name, plural):
    assert plural_of(name) == plural


def test_names_of_the_contract_follow_from_the_columns():
    field = read_field("sent_at:datetime:null")

    assert (field.api_name, field.null, field.is_required) == ("sentAt", True, False)
    assert read_field("payer:fk:accounts.User").api_name == "payerId"

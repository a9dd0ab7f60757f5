"""The admin, as somebody's browser sees it."""

from django.contrib.auth.models import Group, Permission
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse


def browser_of(user):
    browser = Client()
    browser.force_login(user)
    browser.user = user
    return browser


def allow(user, *codes):
    """Put the user in a group with these permissions, `app.code`."""
    group, _created = Group.objects.get_or_create(name=f"of {user.pk}")
    for code in codes:
        app, codename = code.split(".")
        group.permissions.add(Permission.objects.get(content_type__app_label=app, codename=codename))
    user.groups.add(group)
    return user


def url_of(row_or_model, page="changelist"):
    meta = row_or_model._meta
    args = [] if page in {"changelist", "add", "csv"} else [row_or_model.pk]
    return reverse(f"admin:{meta.app_label}_{meta.model_name}_{page}", args=args)


def choose(browser, action, *rows, url=None, **more):
    """Choose these rows in their list and run the action: the response is the list again, or a page that confirms
    the action."""
    body = {"action": action, "_selected_action": [str(row.pk) for row in rows], "index": "0", **more}
    return browser.post(url or url_of(type(rows[0])), body, follow=True)


def go_on(browser, response):
    """Press the button of a page that confirms or continues an action."""
    return browser.post(response.context["address"], response.context["fields"], follow=True)


def act(browser, action, *rows):
    """Choose these rows in their list, run the action, and confirm it if a confirmation is required."""
    response = choose(browser, action, *rows)
    return go_on(browser, response) if needs_confirmation(response) else response


def needs_confirmation(response):
    """Return whether this is a page that confirms or continues an action."""
    return bool(response.context) and "fields" in response.context and "address" in response.context


def messages_of(response):
    """Return the messages at the top of the page."""
    return [str(message) for message in response.context["messages"]]


def rows(response):
    """Return the rows of a list."""
    assert response.status_code == 200, response.content
    return list(response.context["cl"].result_list)


def errors(response):
    """Return {field: [problem, …]} of a form that was refused."""
    assert response.status_code == 200, response.content
    form = response.context["adminform"].form if "adminform" in response.context else response.context["form"]
    return {name: [str(problem) for problem in problems] for name, problems in form.errors.items()}


def queries_of(browser, url):
    with CaptureQueriesContext(connection) as captured:
        response = browser.get(url)
        assert response.status_code == 200
        if response.streaming:
            b"".join(response.streaming_content)
    return len(captured)


def address_of(row, name):
    """Return the URL of an action on one row."""
    meta = row._meta
    return reverse(f"admin:{meta.app_label}_{meta.model_name}_do", args=[row.pk, name])


def do(browser, name, row):
    """Confirm an action on the page of a row. The response is the page again."""
    return browser.post(address_of(row, name), follow=True)


def buttons(browser, row):
    """Return the labels of the buttons on the page of a row."""
    return [str(button.label) for button in browser.get(url_of(row, "change")).context["buttons"]]

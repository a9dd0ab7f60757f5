from typing import Any

from django.db import migrations

GROUP = "Helpdesk"
PERMISSIONS = (
    ("accounts", "user", "view_user", "Can view user"),
    ("accounts", "user", "unlock_user", "Can unlock users"),
    ("accounts", "user", "send_reset_link_user", "Can send users a link to set a new password"),
    ("accounts", "user", "end_sessions_user", "Can end the sessions of users"),
    ("accounts", "session", "view_session", "Can view session"),
    ("core_outbox", "outboxmessage", "view_outboxmessage", "Can view outbox message"),
)


def create_group(apps: Any, _schema_editor: Any) -> None:
    """Create the group, unless there is one of this name, whose permissions remain as they are."""
    group, is_new = apps.get_model("auth", "Group").objects.get_or_create(name=GROUP)
    for app, model, code, name in PERMISSIONS if is_new else ():
        # Django creates content types and permissions after the last migration.
        kind, _ = apps.get_model("contenttypes", "ContentType").objects.get_or_create(app_label=app, model=model)
        permission, _ = apps.get_model("auth", "Permission").objects.get_or_create(
            content_type=kind, codename=code, defaults={"name": name}
        )
        group.permissions.add(permission)


class Migration(migrations.Migration):
    """Ships a group for staff who help people. An admin may change or delete it: it is created once."""

    dependencies = [
        ("accounts", "0006_staff_permissions"),
        ("auth", "0012_alter_user_first_name_max_length"),
        ("contenttypes", "0002_remove_content_type_name"),
    ]

    operations = [migrations.RunPython(create_group, migrations.RunPython.noop)]

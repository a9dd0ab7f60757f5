from django.conf import settings
from django.db import migrations, models


def take_the_role_of_now(apps, schema_editor):
    """What is unfinished ran by the role of the moment before, and what shows no more than its owner's own rows may go
    on being handed out. Of an export of everybody's rows nobody knows any more whose it was: it has to be made again."""
    users = apps.get_model(settings.AUTH_USER_MODEL).objects.filter(pk=models.OuterRef("user_id"))
    jobs = apps.get_model("core", "Job").objects
    unfinished = models.Q(status__in=["queued", "running"])
    jobs.filter(unfinished | ~models.Q(parameters__query__has_key="scope")).update(
        role=models.Subquery(users.values("role")[:1])
    )


class Migration(migrations.Migration):
    dependencies = [
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
        ("core", "0007_every_file_counts"),
    ]

    operations = [
        migrations.AddField(
            model_name="job",
            name="role",
            field=models.CharField(
                blank=True,
                db_default="",
                default="",
                help_text="Of its owner when it was asked for: it runs and hands out its file under no other",
                max_length=20,
            ),
        ),
        migrations.RunPython(take_the_role_of_now, migrations.RunPython.noop),
    ]

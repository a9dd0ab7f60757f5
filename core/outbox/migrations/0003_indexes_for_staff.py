import django.db.models.fields.json
from django.db import migrations, models

from core.db.indexes import AddIndexOnline


class Migration(migrations.Migration):
    """Only adds indexes, while others read and write. Run it again if it is interrupted."""

    atomic = False

    dependencies = [
        ('core_outbox', '0002_heartbeat'),
    ]

    operations = [
        AddIndexOnline(
            model_name='outboxmessage',
            index=models.Index(condition=models.Q(('status__in', ('pending', 'failed'))), fields=['status', '-id'], name='outbox_not_done_by_status'),
        ),
        AddIndexOnline(
            model_name='outboxmessage',
            index=models.Index(fields=['request_id'], name='outbox_by_request'),
        ),
        AddIndexOnline(
            model_name='outboxmessage',
            index=models.Index(django.db.models.fields.json.KeyTransform('user', 'payload'), name='outbox_by_user'),
        ),
        AddIndexOnline(
            model_name='outboxmessage',
            index=models.Index(django.db.models.fields.json.KeyTransform('email', 'payload'), name='outbox_by_email'),
        ),
    ]

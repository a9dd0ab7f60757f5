from django.conf import settings
from django.db import migrations, models

from core.db.indexes import AddIndexOnline


class Migration(migrations.Migration):
    """Only adds indexes, while others read and write. Run it again if it is interrupted."""

    atomic = False

    dependencies = [
        ('core_files', '0002_deletionhold'),
        ('core_jobs', '0001_initial'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        AddIndexOnline(
            model_name='job',
            index=models.Index(condition=models.Q(('status__in', ('queued', 'running', 'failed', 'cancelled'))), fields=['status', '-id'], name='job_not_done_by_status'),
        ),
        AddIndexOnline(
            model_name='job',
            index=models.Index(fields=['request_id'], name='job_by_request'),
        ),
    ]

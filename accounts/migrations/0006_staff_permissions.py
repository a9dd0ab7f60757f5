from django.db import migrations, models

from core.db.indexes import AddIndexOnline


class Migration(migrations.Migration):
    """Only adds indexes, while others read and write. Run it again if it is interrupted."""

    atomic = False

    dependencies = [
        ('accounts', '0005_not_me'),
        ('auth', '0012_alter_user_first_name_max_length'),
    ]

    operations = [
        migrations.AlterModelOptions(
            name='user',
            options={'permissions': [('unlock_user', 'Can unlock users'), ('send_reset_link_user', 'Can send users a link to set a new password'), ('end_sessions_user', 'Can end the sessions of users'), ('export_user', 'Can export the data of users'), ('erase_user', 'Can erase deleted users')]},
        ),
        AddIndexOnline(
            model_name='user',
            index=models.Index(condition=models.Q(('deleted_at__isnull', False)), fields=['email'], name='user_deleted_by_email'),
        ),
        AddIndexOnline(
            model_name='user',
            index=models.Index(condition=models.Q(('role', 'user'), _negated=True), fields=['role', '-id'], name='user_staff_by_role'),
        ),
    ]

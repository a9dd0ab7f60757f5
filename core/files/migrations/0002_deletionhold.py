from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('core_files', '0001_initial'),
    ]

    operations = [
        migrations.CreateModel(
            name='DeletionHold',
            fields=[
                ('id', models.PositiveSmallIntegerField(primary_key=True, serialize=False)),
                ('holder', models.UUIDField()),
                ('held_until', models.DateTimeField()),
            ],
        ),
    ]

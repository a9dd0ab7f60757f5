from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('core_outbox', '0001_initial'),
    ]

    operations = [
        migrations.CreateModel(
            name='Heartbeat',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('program', models.CharField(choices=[('worker', 'Worker'), ('beat', 'Beat')], max_length=10)),
                ('host', models.CharField(max_length=255)),
                ('beat_at', models.DateTimeField()),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('program', 'host'), name='heartbeat_by_program_and_host')],
            },
        ),
    ]

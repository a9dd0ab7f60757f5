from django.apps import AppConfig


class BackupsConfig(AppConfig):
    name = "core.backups"
    label = "core_backups"
    verbose_name = "Backups"

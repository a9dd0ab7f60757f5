from django.apps import AppConfig


class AdminConfig(AppConfig):
    name = "core.admin"
    label = "core_admin"
    verbose_name = "Admin"

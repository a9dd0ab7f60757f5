from django.apps import AppConfig


class ScaffoldConfig(AppConfig):
    name = "core.scaffold"
    label = "core_scaffold"

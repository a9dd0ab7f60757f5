from django.apps import AppConfig


class ReleasesConfig(AppConfig):
    name = "core.releases"
    label = "core_releases"

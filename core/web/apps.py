from django.apps import AppConfig


class WebConfig(AppConfig):
    name = "core.web"
    label = "core_web"
    verbose_name = "Web"

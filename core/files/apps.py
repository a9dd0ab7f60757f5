from django.apps import AppConfig


class FilesConfig(AppConfig):
    name = "core.files"
    label = "core_files"
    verbose_name = "Files"

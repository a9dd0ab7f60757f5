from django.apps import AppConfig

from core.db.queues import queues


class JobsConfig(AppConfig):
    name = "core.jobs"
    label = "core_jobs"
    verbose_name = "Jobs"

    def ready(self) -> None:
        """Add the jobs to the metrics."""
        queues["jobs"] = self.get_model("Job")

from core.api.routers import Router
from core.jobs.views import JobViewSet

router = Router()
router.register("jobs", JobViewSet, basename="job")

urlpatterns = router.urls

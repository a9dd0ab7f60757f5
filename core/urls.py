from core.job_views import JobViewSet
from core.routers import Router

router = Router()
router.register("jobs", JobViewSet, basename="job")

urlpatterns = router.urls

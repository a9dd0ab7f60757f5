from core.routers import Router
from resources.views import ResourceViewSet, TagViewSet

router = Router()
router.register("resources", ResourceViewSet, basename="resource")
router.register("tags", TagViewSet, basename="tag")

urlpatterns = router.urls

from core.api.routers import Router
from resources.views import ResourceAttachmentViewSet, ResourceViewSet, TagViewSet

router = Router()
router.register("resources", ResourceViewSet, basename="resource")
router.register("resources/<uuid:id>/attachments", ResourceAttachmentViewSet, basename="attachment")
router.register("tags", TagViewSet, basename="tag")

urlpatterns = router.urls

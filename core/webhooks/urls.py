from core.api.routers import Router
from core.webhooks.views import WebhookDeliveryViewSet, WebhookViewSet

router = Router()
router.register("webhooks", WebhookViewSet, basename="webhook")
router.register("webhooks/<uuid:webhook_id>/deliveries", WebhookDeliveryViewSet, basename="webhook-delivery")

urlpatterns = router.urls

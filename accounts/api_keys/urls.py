from accounts.api_keys.views import ApiKeyViewSet
from core.api.routers import Router

router = Router()
router.register("auth/api-keys", ApiKeyViewSet, basename="api-key")

urlpatterns = router.urls

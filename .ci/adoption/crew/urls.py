from core.api.routers import Router
from crew.views import BoardFileViewSet, BoardViewSet, CardViewSet, MemoViewSet

router = Router()
router.register("boards", BoardViewSet, basename="board")
router.register("boards/<uuid:id>/attachments", BoardFileViewSet, basename="board-file")
router.register("boards/<uuid:board>/cards", CardViewSet, basename="card")
router.register("memos", MemoViewSet, basename="memo")

urlpatterns = router.urls

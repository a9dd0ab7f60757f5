from billing.views import CustomerViewSet, InvoiceFileViewSet, InvoiceSummaryViewSet, InvoiceViewSet
from core.api.routers import Router

router = Router()
router.register("customers", CustomerViewSet, basename="customer")
router.register("invoices", InvoiceViewSet, basename="invoice")
router.register("invoice-summaries", InvoiceSummaryViewSet, basename="invoice-summary")
router.register("invoices/<uuid:id>/attachments", InvoiceFileViewSet, basename="invoice-file")

urlpatterns = router.urls

from django.urls import path

from accounts.oidc import views
from core.api.routers import Router

router = Router()
router.register("users/me/identities", views.IdentityViewSet, basename="identity")

urlpatterns = [
    path("auth/oidc", views.SignInProvidersView.as_view(), name="oidc"),
    path("auth/oidc/<slug:provider>/start", views.StartSignInView.as_view(), name="oidc-start"),
    path("auth/oidc/<slug:provider>/finish", views.FinishSignInView.as_view(), name="oidc-finish"),
    *router.urls,
]

from django.urls import path

from accounts import auth_views as auth
from accounts.views import MeViewSet, SessionViewSet, UserViewSet
from core.routers import Router

router = Router()
router.register("users", UserViewSet, basename="user")
router.register("auth/sessions", SessionViewSet, basename="session")

me = MeViewSet.as_view(
    {"get": "retrieve", "put": "update", "patch": "partial_update", "delete": "destroy"},
)

urlpatterns = [
    path("auth/register", auth.RegisterView.as_view(), name="register"),
    path("auth/login", auth.LoginView.as_view(), name="login"),
    path("auth/refresh", auth.RefreshView.as_view(), name="refresh"),
    path("auth/logout", auth.LogoutView.as_view(), name="logout"),
    path("auth/logout-all", auth.LogoutAllView.as_view(), name="logout-all"),
    path("auth/forgot-password", auth.ForgotPasswordView.as_view(), name="forgot-password"),
    path("auth/reset-password", auth.ResetPasswordView.as_view(), name="reset-password"),
    path("auth/change-password", auth.ChangePasswordView.as_view(), name="change-password"),
    path("auth/verify-email", auth.VerifyEmailView.as_view(), name="verify-email"),
    path("auth/resend-verification", auth.ResendVerificationView.as_view(), name="resend-verification"),
    path("users/me", me, name="user-me"),
    path("users/me/export", MeViewSet.as_view({"get": "export"}), name="user-export"),
    *router.urls,
]

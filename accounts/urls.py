from django.urls import include, path

from accounts import auth_views as auth
from accounts.views import MeViewSet, SessionViewSet, UserViewSet
from core.api.routers import Router

router = Router()
router.register("users", UserViewSet, basename="user")
router.register("auth/sessions", SessionViewSet, basename="session")

me = MeViewSet.as_view(
    {"get": "retrieve", "put": "update", "patch": "partial_update", "delete": "destroy"},
)

# Not for a user with an unverified address, unlike the other methods of the own account.
export = MeViewSet.as_view({"get": "export"}, admits_unverified=False)

urlpatterns = [
    path(
        "auth/",
        include(
            [
                path("register", auth.RegisterView.as_view(), name="register"),
                path("login", auth.LoginView.as_view(), name="login"),
                path("refresh", auth.RefreshView.as_view(), name="refresh"),
                path("csrf", auth.CsrfView.as_view(), name="csrf"),
                path("logout", auth.LogoutView.as_view(), name="logout"),
                path("logout-all", auth.LogoutAllView.as_view(), name="logout-all"),
                path("forgot-password", auth.ForgotPasswordView.as_view(), name="forgot-password"),
                path("reset-password", auth.ResetPasswordView.as_view(), name="reset-password"),
                path("change-password", auth.ChangePasswordView.as_view(), name="change-password"),
                path("step-up", auth.StepUpView.as_view(), name="step-up"),
                path("verify-email", auth.VerifyEmailView.as_view(), name="verify-email"),
                path("not-me", auth.NotMeView.as_view(), name="not-me"),
                path("undo-email-change", auth.UndoEmailChangeView.as_view(), name="undo-email-change"),
                path(
                    "resend-verification", auth.ResendVerificationView.as_view(), name="resend-verification"
                ),
            ]
        ),
    ),
    path("auth/", include("accounts.mfa.urls")),
    path("users/me", me, name="user-me"),
    path("users/undelete", auth.UndeleteView.as_view(), name="undelete"),
    path("users/me/export", export, name="user-export"),
    *router.urls,
]

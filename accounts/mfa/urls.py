from django.urls import path

from accounts.mfa import views

urlpatterns = [
    path("mfa", views.FactorsView.as_view(), name="second-factors"),
    path("mfa/totp", views.TotpView.as_view(), name="totp"),
    path("mfa/totp/confirm", views.ConfirmTotpView.as_view(), name="confirm-totp"),
    path("mfa/recovery-codes", views.RecoveryCodesView.as_view(), name="recovery-codes"),
]

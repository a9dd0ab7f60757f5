from django.urls import path

from accounts.mfa import passkey_views, views

urlpatterns = [
    path("mfa", views.FactorsView.as_view(), name="second-factors"),
    path("mfa/totp", views.TotpView.as_view(), name="totp"),
    path("mfa/totp/confirm", views.ConfirmTotpView.as_view(), name="confirm-totp"),
    path("mfa/passkeys", passkey_views.PasskeysView.as_view(), name="passkeys"),
    path("mfa/passkeys/options", passkey_views.PasskeyOptionsView.as_view(), name="passkey-options"),
    path("mfa/passkeys/<uuid:pk>", passkey_views.PasskeyView.as_view(), name="passkey"),
    path("passkeys/options", passkey_views.AssertionOptionsView.as_view(), name="login-options"),
    path("passkeys/login", passkey_views.PasskeyLoginView.as_view(), name="passkey-login"),
    path("mfa/recovery-codes", views.RecoveryCodesView.as_view(), name="recovery-codes"),
]

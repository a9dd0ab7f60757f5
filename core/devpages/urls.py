from django.urls import path, re_path

from core.api.views import allowed
from core.devpages import views

read = allowed("GET", "HEAD")

urlpatterns = [
    path("mails", read(views.email_list), name="mail-list"),
    re_path(r"^mails/(?P<key>\d{1,12})$", read(views.email_page), name="mail"),
    re_path(r"^mails/(?P<template>\w+)\.(?P<form>html|txt)$", read(views.email_sample), name="mail-preview"),
    path("requests", read(views.request_list), name="dev-request-list"),
    re_path(r"^requests/(?P<key>\d{1,12})$", read(views.request_page), name="dev-request"),
]

"""The addresses of the pages."""

from django.urls import path

from . import views

urlpatterns = [
    path("", views.page),
    path("visit", views.visit),
    path("weather", views.weather),
]

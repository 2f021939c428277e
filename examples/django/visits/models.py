"""What is kept in the database."""

from django.db import models


class Counter(models.Model):
    """The number of visits."""

    value = models.PositiveIntegerField(default=0)

"""The table of the counter, with its one row."""

from django.db import migrations, models


def create_counter(apps, schema_editor):
    apps.get_model("visits", "Counter").objects.create()


class Migration(migrations.Migration):
    initial = True
    operations = [
        migrations.CreateModel(
            "Counter",
            [
                ("id", models.AutoField(primary_key=True)),
                ("value", models.PositiveIntegerField(default=0)),
            ],
        ),
        migrations.RunPython(create_counter),
    ]

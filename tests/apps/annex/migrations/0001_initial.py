from django.db import migrations, models

import pg_timepart.manager


class Migration(migrations.Migration):
    initial = True

    dependencies = []

    operations = [
        migrations.SeparateDatabaseAndState(
            state_operations=[
                migrations.CreateModel(
                    name="Reading",
                    fields=[
                        ("id", models.BigAutoField(primary_key=True, serialize=False)),
                        ("at", models.DateTimeField()),
                        ("value", models.IntegerField(db_index=True)),
                    ],
                    options={"db_table": "plant_reading"},
                    managers=[
                        ("objects", models.Manager()),
                        ("partitioning", pg_timepart.manager.TimeRangePartitioningManager("at")),
                    ],
                ),
            ],
        ),
    ]

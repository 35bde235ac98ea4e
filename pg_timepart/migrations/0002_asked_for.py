from typing import Any

from django.db import migrations, models


def keep_moves(apps: Any, schema_editor: Any) -> None:
    """Let moves that are under way go where they were begun for, as the release before had it."""
    logs = apps.get_model("pg_timepart", "PartitionLog").objects
    logs.using(schema_editor.connection.alias).filter(unfinished="move").update(is_asked=True)


class Migration(migrations.Migration):

    dependencies = [
        ('pg_timepart', '0001_initial'),
    ]

    operations = [
        migrations.AddField(
            model_name='partitionlog',
            name='is_asked',
            field=models.BooleanField(db_default=False, default=False, help_text='A person asked for what is unfinished; else the config decides anew.', verbose_name='asked for'),
        ),
        migrations.RunPython(keep_moves, migrations.RunPython.noop, elidable=True),
    ]

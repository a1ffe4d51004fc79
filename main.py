"""The application for `uvicorn main:app`; `python main.py` lists the commands."""

if __name__ == "__main__":
    from app.command_line.commands import commands
    from app.command_line.dump import dump_with
    from app.command_line.key import key_with
    from app.command_line.migrate import migrate_with
    from app.command_line.reseal import reseal_with
    from app.container import dump_database, make_key, migrate_database, reseal_database

    commands.command("migrate")(migrate_with(migrate_database))
    commands.command("reseal")(reseal_with(reseal_database))
    commands.command("dump")(dump_with(dump_database))
    commands.command("key")(key_with(make_key))
    commands(prog_name="python main.py")
else:
    from app.core.loading import begin_loading

    begin_loading()
    from app.application import create_app
    from app.core.server_process import settle

    app = create_app()
    settle()

"""Writing down what there is: the text of a file that changes nothing when it is applied."""

from __future__ import annotations

from sqlalchemy.ext.asyncio import AsyncSession

from kumo.db.session import Database
from kumo.declarations import sources
from kumo.declarations.models import ProjectDeclaration
from kumo.declarations.present import find_declaration, made_environment, named_fields, rows_of
from kumo.declarations.reading import DeclaredEnvironment
from kumo.declarations.writing import write
from kumo.environments import service as environments
from kumo.projects import service as projects
from kumo.settings import Settings
from kumo.tasks import service as tasks


async def export_task(session: AsyncSession, task_id: int) -> str:
    """The file that declares one task."""
    row = await tasks.get(session, task_id)
    return write((await named_fields(session, [row])).values())


async def export_project(database: Database, settings: Settings, project_id: int) -> str:
    """The file that declares all tasks of a project, and the environment that its file has made."""
    async with database.read() as session:
        await projects.find_project(session, project_id)
        declaration = await find_declaration(session, project_id)
    path = None if declaration is None else declaration.requirements
    text = None if path is None else await sources.text_of(database, settings, project_id, path)
    async with database.read() as session:
        environment = await _environment(session, declaration, text)
        fields = await named_fields(session, await rows_of(session, project_id))
    return write(fields.values(), environment)


async def _environment(
    session: AsyncSession, declaration: ProjectDeclaration | None, requirements: str | None
) -> DeclaredEnvironment | None:
    """What the file has to say of the environment that it has made; None where a file cannot say what it is now."""
    row = await made_environment(session, declaration)
    if row is None or declaration is None:
        return None
    definition = environments.definition_of(row)
    match definition.source:
        case "packages":
            return DeclaredEnvironment(name=row.name, python=row.python, packages=definition.packages)
        case "project" if definition.project_id == declaration.project_id and row.python is not None:
            return DeclaredEnvironment(name=row.name, python=row.python)
        case "requirements" if definition.requirements == requirements:
            return DeclaredEnvironment(name=row.name, python=row.python, requirements=declaration.requirements)
    return None

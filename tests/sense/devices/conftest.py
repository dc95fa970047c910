from tests.people.conftest import _in_english, person, tree  # noqa: F401 - fixtures

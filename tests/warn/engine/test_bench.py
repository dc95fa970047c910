"""The engine's benchmark runs and gives its figures; how high they are is not tested here."""

from fengsui.run.benches import engine


def test_the_benchmark_gives_every_figure(monkeypatch):
    monkeypatch.setattr(engine, "DATASTREAMS", 1000)
    figures = {f.name: f for f in engine.bench(0.1)}
    assert len(figures) == 6
    assert all(f.low > 0 for f in figures.values())

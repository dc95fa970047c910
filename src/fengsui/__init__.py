"""烽燧 Fengsui: sense → govern → warn → command → decide → show, for an emergency-management bureau."""

__version__ = "0.1.0"

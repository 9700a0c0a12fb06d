"""PAI-EAS: model services that really run, behind one predict gateway."""

"""AIRec: items, users and behaviour come in, recommendations that were learned from them go out."""

"""Recommendations: AIRec's, the engines' neighbours, and what others read, all behind the caller's rights."""

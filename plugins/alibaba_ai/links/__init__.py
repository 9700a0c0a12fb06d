"""Buttons of a task instance that lead to the console of Alibaba Cloud."""

"""Customers who charge, lose answers, retry and reuse keys wrongly, as many as Locust brings."""

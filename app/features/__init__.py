"""The rooms of the service, named as the API names them."""

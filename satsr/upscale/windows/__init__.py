"""How a scene or clip of any size is cut into windows that memory holds, and put together without seams."""

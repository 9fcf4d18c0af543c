"""Rules between settings of different sections: a file a topic, and the order in which they are asked."""
